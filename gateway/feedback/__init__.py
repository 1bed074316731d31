"""What people said of answers: users' thumbs, operators' edits and overturns, reviewers' comparisons."""
