"""Preference training: one file a method. These are the rooms where torch may live."""
