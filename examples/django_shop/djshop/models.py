"""The shop's tables."""

from django.db import models


class Seat(models.Model):
    name = models.CharField(max_length=20)
    taken = models.BooleanField(default=False, db_index=True)


class Booking(models.Model):
    seat = models.ForeignKey(Seat, on_delete=models.CASCADE)
    user = models.IntegerField()
    created = models.DateTimeField(auto_now_add=True)
