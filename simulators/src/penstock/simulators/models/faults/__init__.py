"""How machines, their sensors and their wires break: processes of damage, and the book that a machine keeps of them."""
