"""Publishing: a plan as pages to open and files to load.

pages      what stands on the pages, read from the warehouse; a day's folder changes as a whole
prices     the prices that the plan was made with
charts     the pictures, as inline SVG: of the day in day_charts, of a twin in charts and twin_charts
templates  the pages' HTML; everything that comes from data is escaped

Pages hold no script and load nothing: they open offline, from a mail or a share.
"""

from flows.publish.pages import publish_run

__all__ = ["publish_run"]
