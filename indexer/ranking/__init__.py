"""Operations on rankings: pure functions on arrays and ids, without I/O, model or store."""
