"""Files and folders, local or remote: what may be removed, who works where, errors in words."""
