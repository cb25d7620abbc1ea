"""A client of OCPI 2.2.1 ChargingProfiles, for those whose chargers have a central system of their own.

- `config`: ocpi.toml, and the two tokens · `objects`: what is read from the other side, by the specification
- `client`: endpoints, requests, answers · `receiver`: what comes later, to the response_url
- `match`: which session there is which of ours · `profile`: a plan as a ChargingProfile, and what it loses
- `push`: all sessions, each on its own

Source: OCPI 2.2.1, modules Versions, Sessions (Sender) and ChargingProfiles (Receiver), chapters "Transport
and format" and "Status codes". Both sides agree on the credentials beforehand: no registration is done here.
"""
