"""Let the hosts of one site work together through Redis or Valkey."""
