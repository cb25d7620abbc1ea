"""Publishing: a plan as pages to open and files to load.

pages      what stands on the pages, read from the warehouse
charts     the pictures, as inline SVG
templates  the pages' HTML; everything that comes from data is escaped

Pages hold no script and load nothing: they open offline, from a mail or a share.
"""

from flows.publish.pages import publish_run

__all__ = ["publish_run"]
