import streamlit as st

st.title("open")
