"""How each score follows human judgement, overall and by HSF bin."""
