"""HTTP to the processes under test: plain, so no authorities are loaded.

httpx loads all of them anew for each client and each question asked without one: 40 ms of CPU, which what is waited for
would go without.
"""

import ssl
from functools import partial

import httpx

NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
get = partial(httpx.get, verify=NO_AUTHORITIES)
post = partial(httpx.post, verify=NO_AUTHORITIES)
put = partial(httpx.put, verify=NO_AUTHORITIES)
patch = partial(httpx.patch, verify=NO_AUTHORITIES)
delete = partial(httpx.delete, verify=NO_AUTHORITIES)
request = partial(httpx.request, verify=NO_AUTHORITIES)
Client = partial(httpx.Client, verify=NO_AUTHORITIES)
AsyncClient = partial(httpx.AsyncClient, verify=NO_AUTHORITIES)
