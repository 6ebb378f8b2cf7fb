"""What a fitted model answers: tables of its factors, what it infers of new samples, its file."""
