"""Quality numbers, judged alone and beside those of other units."""
