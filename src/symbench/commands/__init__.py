"""The commands behind the rules of the workflow, and those of users; `cli` runs them."""
