"""A verb: `avhcurate sizes NAME` prints how many images each class has."""

from avhcurate.cli import options


@options.verb()
def sizes(name: options.NameArgument) -> None:
    """How many images each class has."""
    options.print_table(options.run_table(name).samples.group_counts("label_name"))
