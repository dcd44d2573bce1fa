"""Whether scores follow contrast, noise, blur and JPEG step by step."""
