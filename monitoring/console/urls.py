"""Every address of the console; all but the login page need a login."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
