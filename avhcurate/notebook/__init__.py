"""The Python face of the program: one object a dataset, with the services of the pages and the command line."""
