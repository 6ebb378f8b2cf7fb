"""What a model reads: checked values of an AnnData, their units, batches of them; and files."""
