//! What the end-to-end tests share: built programs, a Python environment, and processes that end with their test.
