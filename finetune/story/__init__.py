"""The story of a version: what it learnt from, how, what its exams said, and what traffic made of it."""
