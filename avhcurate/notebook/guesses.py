"""What a name that an object does not have is called here, for those who know it from another library."""

import difflib
from collections.abc import Iterable

#: Expressions, DS for the dataset, and what people try in place of each on a dataset.
_OF_A_DATASET = {
    """DS.frame("label = '3'")""": "query filter where match loc",
    "DS[-5:]": "tail limit take iloc select_rows",
    """DS.table.sort_values("avh")""": "sort_values sort_by sort",
    "DS.table": "df to_df dataframe data to_dataframe",
    "print(DS)": "info summary",
    "DS.table.describe()": "describe stats",
    "DS.table.sample(5)": "sample shuffle",
    "list(DS)": "iterrows iter_samples map apply samples values",
    "DS.split((0.8, 0.2))": "train_test_split random_split",
    """DS["label_name"].value_counts()""": "value_counts count_values groupby",
    """DS["label"]""": "labels targets y",
    "DS.image(3)": "images get_image",
    """DS.tag([3], "TAG")""": "tags add_tag tag_samples",
    """DS.relabel([3], "CLASS")""": "set_label set_labels correct label",
    "DS.exclude([3])": "drop remove_samples delete_samples",
    """DS.export("labels.csv")""": "to_csv to_parquet save write to_json",
    "DS.show()": "view launch launch_app explore serve app open_app",
    "DS.suspects()": "find_label_issues find_issues get_issues issues mistakes",
    "DS.quality()": "duplicates find_duplicates outliers",
    "DS.score(MODEL)": "embed compute_embeddings predict_probs run evaluate infer",
    "DS.opened.run.features()": "features embeddings",
    "DS.models()": "runs accuracy confusion_matrix",
    "DS.opened.run.logits_of(IDS)": "probs logits probabilities",
    """DS.export("FOLDER", format="fiftyone")""": "to_fiftyone",
    "DS.neighbours()": "similar find_similar nearest",
    """DS.frame("label_name = 'CLASS'")""": "find search",
    "DS.annotators(pairs=True)": "agreement reliability",
    """DS[[1, 2]]""": "get select_ids",
    "DS.plot.map()": "visualize scatter umap",
    "len(DS.classes)": "num_classes n_classes features_names",
    "avhcurate remove NAME": "delete remove",
    "DS.to_torch()": "dataloader loader to_pytorch to_tensor torch",
    "DS.to_hf()": "push_to_hub to_huggingface",
}
#: The same on the package.
_OF_THE_PACKAGE = {
    "avhcurate.open(WORKSPACE, NAME)": "load_dataset load read list_datasets",
    "avhcurate.open(WORKSPACE, NAME).show()": "launch_app app serve show",
    "avhcurate.dataset(NAME, FOLDER)": "from_dir from_folder from_directory import_dataset",
    "avhcurate.dataset(NAME, SOURCE)": "create from_pandas from_numpy",
}


def no_such(title: str, name: str, known: Iterable[str], variable: str = "") -> AttributeError:
    r"""Return the error for an attribute that a dataset, called `variable`, or the package does not have.

    >>> no_such("Dataset", "query", (), "pets").args[0]
    'Dataset has no `query`: `pets.frame("label = \'3\'")`'
    >>> no_such("Dataset", "suspect", ["suspects"], "pets").args[0]
    'Dataset has no `suspect`: `suspects`'
    """
    guesses = _OF_A_DATASET if variable else _OF_THE_PACKAGE
    names = [public for public in known if not public.startswith("_")]
    similar = difflib.get_close_matches(name, names, n=1)
    likely = [expression for expression, tried in guesses.items() if name in tried.split()] + similar
    guess = next(iter(likely), "").replace("DS", variable)
    text = f"{title} has no `{name}`"
    if guess:
        text += f": `{guess}`"
    return AttributeError(text)
