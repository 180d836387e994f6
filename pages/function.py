import streamlit as st

st.title("function")
