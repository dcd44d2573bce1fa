"""What a name that an object does not have is called here, for those who know it from another library."""

import difflib
from collections.abc import Iterable

#: By what people try on a dataset: an expression that does it, DS for the dataset.
_OF_A_DATASET = {
    **dict.fromkeys(("query", "filter", "where", "match", "loc"), """DS.frame("label = '3'")"""),
    **dict.fromkeys(("tail", "limit", "take", "iloc", "select_rows"), "DS[-5:]"),
    **dict.fromkeys(("sort_values", "sort_by", "sort"), """DS.table.sort_values("avh")"""),
    **dict.fromkeys(("df", "to_df", "dataframe", "data", "to_dataframe"), "DS.table"),
    **dict.fromkeys(("info", "summary"), "print(DS)"),
    **dict.fromkeys(("describe", "stats"), "DS.table.describe()"),
    **dict.fromkeys(("sample", "shuffle"), "DS.table.sample(5)"),
    **dict.fromkeys(("iterrows", "iter_samples", "map", "apply", "samples", "values"), "list(DS)"),
    **dict.fromkeys(("train_test_split", "random_split"), "DS.split((0.8, 0.2))"),
    **dict.fromkeys(("value_counts", "count_values", "groupby"), """DS["label_name"].value_counts()"""),
    **dict.fromkeys(("labels", "targets", "y"), """DS["label"]"""),
    **dict.fromkeys(("images", "get_image"), "DS.image(3)"),
    **dict.fromkeys(("tags", "add_tag", "tag_samples"), """DS.tag([3], "TAG")"""),
    **dict.fromkeys(("set_label", "set_labels", "correct"), """DS.relabel([3], "CLASS")"""),
    **dict.fromkeys(("drop", "remove_samples", "delete_samples"), "DS.exclude([3])"),
    **dict.fromkeys(("to_csv", "to_parquet", "save", "write", "to_json"), """DS.export("labels.csv")"""),
    **dict.fromkeys(("view", "launch", "launch_app", "explore"), "DS.show()"),
    **dict.fromkeys(("find_label_issues", "find_issues", "get_issues", "issues", "mistakes"), "DS.suspects()"),
    **dict.fromkeys(("duplicates", "find_duplicates", "outliers"), "DS.quality()"),
    **dict.fromkeys(("embed", "compute_embeddings", "predict_probs", "run", "evaluate"), "DS.score(MODEL)"),
    **dict.fromkeys(("features", "embeddings"), "DS.sample_table.run.features()"),
    **dict.fromkeys(("visualize", "scatter", "umap"), "DS.plot.map()"),
    **dict.fromkeys(("num_classes", "n_classes", "features_names"), "len(DS.classes)"),
    **dict.fromkeys(("delete", "remove"), "avhcurate remove NAME"),
    **dict.fromkeys(("dataloader", "loader", "to_pytorch", "to_tensor", "torch"), "DS.to_torch()"),
    **dict.fromkeys(("push_to_hub", "to_huggingface"), "DS.to_hf()"),
}
_OF_THE_PACKAGE = {
    **dict.fromkeys(("load_dataset", "load", "read", "list_datasets"), "avhcurate.open(WORKSPACE, NAME)"),
    **dict.fromkeys(("launch_app", "app", "serve", "show"), "avhcurate.open(WORKSPACE, NAME).show()"),
    **dict.fromkeys(("from_dir", "from_folder", "from_directory", "import_dataset"), "avhcurate.dataset(NAME, FOLDER)"),
    **dict.fromkeys(("create", "from_pandas", "from_numpy"), "avhcurate.dataset(NAME, SOURCE)"),
}


def no_such(title: str, name: str, known: Iterable[str], variable: str = "") -> AttributeError:
    r"""Return the error for an attribute that a dataset, called `variable`, or the package does not have.

    >>> no_such("Dataset", "query", (), "pets").args[0]
    'Dataset has no `query`: `pets.frame("label = \'3\'")`'
    >>> no_such("Dataset", "suspect", ["suspects"], "pets").args[0]
    'Dataset has no `suspect`: `suspects`'
    """
    guess = (_OF_A_DATASET if variable else _OF_THE_PACKAGE).get(name, "").replace("DS", variable)
    names = [public for public in known if not public.startswith("_")]
    for similar in difflib.get_close_matches(name, names, n=1):
        guess = guess or similar
    text = f"{title} has no `{name}`"
    if guess:
        text += f": `{guess}`"
    return AttributeError(text)
