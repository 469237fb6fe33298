"""The seeded corpus: artifacts that a box cannot load, each for another reason, and sound ones that must pass.

Written from the promise alone, without a look at the code that judges: README, `edgebuild audit --explain` and the
records in edgebuild/model/. docs/audit-corpus.md is its table of contents.
"""
