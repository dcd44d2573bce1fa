"""The application that verbs join, in the order in which the help shows them."""

import typer

app = typer.Typer(
    name="avhcurate",
    help="See where humans and an image classifier disagree, and leave with a label file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
