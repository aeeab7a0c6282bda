"""Who reads an archive and keeps nothing of it."""


class Unread:
    def head(self, said):
        pass

    def base(self, piece):
        pass

    def file(self, where, name, size, content):
        pass
