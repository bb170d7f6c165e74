"""Labels for new reviews: the champion that serves, rows in, probabilities out."""
