"""Exams: what is asked, who judges, and how sure the figures are."""
