"""The shop's pages, as JSON."""

import json
import os

from django.db import transaction
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from djshop.models import Booking, Seat


def seats(request):
    return JsonResponse(
        {
            "seats": [
                {"id": i, "name": n}
                for i, n in Seat.objects.filter(taken=False)
                .order_by("id")
                .values_list("id", "name")[:20]
            ]
        }
    )


@csrf_exempt
def book(request, seat_id):
    user = json.loads(request.body)["user"]
    with transaction.atomic():
        locks = os.environ.get("SHOP_LOCKS_SEATS") == "1"
        seats = Seat.objects.select_for_update() if locks else Seat.objects
        seat = seats.get(id=seat_id)
        if seat.taken:
            return JsonResponse({"message": "taken"}, status=409)
        seat.taken = True
        seat.save(update_fields=["taken"])
        booking = Booking.objects.create(seat=seat, user=user)
    return JsonResponse({"booking": booking.id, "at": booking.created.isoformat()}, status=201)


urlpatterns = [path("seats", seats), path("seats/<int:seat_id>/book", book)]
