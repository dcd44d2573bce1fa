"""The app's Streamlit components: the image grid, voting, review, chart events."""
