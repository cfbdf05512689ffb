"""Images this site stores: checked, kept, made smaller, shown to whom they may be, fetched.

The only home of Pillow beside the picture of a note for other sites, and of requests to elsewhere.
"""
