"""Models as OpenVINO graphs: conversion, cache, shapes, precision. Imported only to run one.

A model that has to be converted is loaded by ``torch_engine``; tokens and batches are above.
"""
