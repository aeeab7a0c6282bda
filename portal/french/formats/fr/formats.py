"""Dates as hands type and paste them in France, beside those of the browser's own picker; read by Django."""

DATE_INPUT_FORMATS = ["%d/%m/%Y", "%d/%m/%y", "%d.%m.%Y", "%d.%m.%y", "%d-%m-%Y", "%d %m %Y"]
