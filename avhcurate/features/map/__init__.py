"""Samples and class weights in two dimensions."""
