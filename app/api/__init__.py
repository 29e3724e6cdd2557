"""The versions of the API, each the list of the features it serves."""
