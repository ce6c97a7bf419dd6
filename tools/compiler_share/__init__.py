"""Measures which part of cold code's processor time is the compiler's."""
