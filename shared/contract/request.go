package contract

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/request"
)

// RequestAccepted is request.accepted.
type RequestAccepted struct {
	RequestID string `json:"requestId" doc:"The request: one operation of one caller, by the caller's key." minLength:"1"`
	Operation string `json:"operation" doc:"What it asks for: cancel-order, register-customer, dispatch-shipment or deliver-shipment. More may follow." minLength:"1"`
	Target    string `json:"target" doc:"The stream that it is about." minLength:"1"`
}

func requestTypes() []entry {
	return []entry{
		publish(Type{
			Name: "request.accepted", Version: 1, Context: "request", Subject: "request/{requestId}",
			Description: "A client's key stands for this request from here on, and for no other.",
		}, func(_ es.Recorded, e request.Accepted) RequestAccepted { return RequestAccepted(e) }),
	}
}
