"""An independent reader of a vault's files, written from the READMEs and format comments alone."""
