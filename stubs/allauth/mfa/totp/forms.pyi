from django import forms

class ActivateTOTPForm(forms.Form):
    secret: str
