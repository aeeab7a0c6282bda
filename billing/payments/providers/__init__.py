"""What a provider of online payment must do (`interface`), and one module for each."""
