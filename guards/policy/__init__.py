"""The guard policy: an operator's versioned document, checked whole before it is enforced."""
