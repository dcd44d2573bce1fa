"""The verb that says who may do what in a workspace that a team shares."""

from typing import Annotated, Any

import typer

from avhcurate.cli import options

_roles = typer.Typer(help="Who may do what where a login is configured: viewer, annotator, curator, owner.")
options.app.add_typer(_roles, name="roles", no_args_is_help=True)

SubjectArgument = Annotated[
    str, typer.Argument(metavar="WHO", help="An e-mail address, group:NAME as the provider names it, or everyone.")
]


@_roles.command("list")
def list_(
    history: Annotated[bool, typer.Option("--history", help="Every change, who made it and when.")] = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """People and groups with their roles."""
    from avhcurate.curate.roles import role_history, roles

    space = options.open_workspace(workspace)
    entries = role_history(space) if history else roles(space)
    if as_json:
        options.print_json({"roles": [_described(entry) for entry in entries]})
        return
    for entry in entries:
        print(f"{entry.role or 'no role'!s:<10} {entry.subject}  by {entry.who}, {entry.at:%Y-%m-%d %H:%M}")
    if not entries:
        print("nobody has a role: `avhcurate roles grant YOU@example.org owner`")


@_roles.command()
def grant(
    who: SubjectArgument,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="viewer, annotator, curator or owner.")],
    workspace: options.WorkspaceOption = None,
) -> None:
    """Give a role, in place of the one before; it counts at once."""
    from avhcurate.curate import roles

    print(f"{roles.grant(options.open_workspace(workspace), who, role)} is {role.lower()}")


@_roles.command()
def revoke(who: SubjectArgument, workspace: options.WorkspaceOption = None) -> None:
    """Take a role away; it counts at once."""
    from avhcurate.curate import roles

    print(f"{roles.revoke(options.open_workspace(workspace), who)} has no role of their own any more")


def _described(entry: Any) -> dict[str, Any]:
    return {
        "who": str(entry.subject),
        "role": None if entry.role is None else str(entry.role),
        "by": entry.who,
        "at": entry.at.isoformat(),
    }
