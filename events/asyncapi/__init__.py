"""The topics and their messages as one AsyncAPI 3.0 document, worked out from the catalogue and the topics."""
