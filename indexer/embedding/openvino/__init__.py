"""Models as OpenVINO graphs: conversion, cache, shapes, precision. Imported only to run one."""
