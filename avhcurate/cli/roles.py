"""The verb that says who may do what in a workspace that a team shares."""

from typing import Annotated

import typer

from avhcurate.cli import options

_roles = typer.Typer(help="Who may do what where a login is configured: viewer, annotator, curator, owner.")
options.app.add_typer(_roles, name="roles", no_args_is_help=True)

#: What is said where a login is configured and no role is given.
NO_ROLES = "No user has access yet. Grant a role with: avhcurate roles grant YOU@example.org owner"
SubjectArgument = Annotated[
    str, typer.Argument(metavar="WHO", help="An e-mail address, group:NAME as the provider names it, or everyone.")
]


@_roles.command("list")
def list_(
    history: Annotated[bool, typer.Option("--history", help="Every change, who made it and when.")] = False,
) -> None:
    """People and groups with their roles."""
    from avhcurate.workspace.data.logs import open_events
    from avhcurate.workspace.data.roles import role_history, roles

    log = open_events(options.open_workspace().root)
    entries = role_history(log) if history else roles(log)
    rows = [{"who": entry.name, "role": entry.details, "by": entry.who, "at": entry.at} for entry in entries]
    if options.printed({"roles": rows}):
        return
    if rows:
        options.print_table(rows)
    else:
        print(NO_ROLES)


@_roles.command()
def grant(
    who: SubjectArgument,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="viewer, annotator, curator or owner.")],
) -> None:
    """Give a role in place of the one before; it counts at once."""
    from avhcurate.workspace.data import logs, roles

    name = roles.grant(logs.open_events(options.open_workspace().root), who, role)
    options.print_result({"who": name, "role": role.lower()}, f"{name} is {role.lower()}")


@_roles.command()
def revoke(who: SubjectArgument) -> None:
    """Take a role away; it counts at once."""
    from avhcurate.workspace.data import logs, roles

    name = roles.revoke(logs.open_events(options.open_workspace().root), who)
    options.print_result({"who": name, "role": None}, f"{name} no longer has a role of their own")
