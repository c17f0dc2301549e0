"""How are pixels made? One engine by libvips, one by Pillow."""
