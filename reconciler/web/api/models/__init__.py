"""What REST answers, as its schema describes it. The values are made by `words.as_json`."""
