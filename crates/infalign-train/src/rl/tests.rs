//! The fixed points of the objectives, with exact expectations: a tiny model whose responses are single tokens, all of which are enumerated.
