"""Let the hosts of one site work together through an object store and through Redis or Valkey."""
