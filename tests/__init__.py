"""The claims this project makes about itself, each as a test."""
