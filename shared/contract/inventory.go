package contract

// InventoryCommandVersion is the one version of commands to the inventory that there is.
const InventoryCommandVersion = 1

// InventoryCommand is what a run asks the inventory for: a message in the queue inventory-commands,
// which one consumer takes.
type InventoryCommand struct {
	Version       int             `json:"version" doc:"Of the message; there is 1 alone, and a message of another is refused." enum:"1"`
	Command       string          `json:"command" doc:"What to do. A release takes back what was reserved, whatever items stand here." enum:"reserve.stock,release.stock"`
	TaskToken     string          `json:"taskToken" doc:"Of the run's task that waits for the answer; empty where nobody waits."`
	OrderID       string          `json:"orderId" doc:"The order that the stock is for." minLength:"1"`
	Revision      int64           `json:"revision" doc:"Which attempt of the order it is, from 1." minimum:"1"`
	Items         []InventoryItem `json:"items" doc:"What to reserve: one item at least. In a release it may be null." nullable:"true"`
	SagaID        string          `json:"sagaId" doc:"The run." minLength:"1"`
	CorrelationID string          `json:"correlationId" doc:"Of the request that placed the order; empty where there is none."`
}

// BackorderCommand is the command that reserves, and has the order wait where stock is short.
type BackorderCommand struct {
	Version       int             `json:"version" doc:"Of the message; there is 1 alone, and a message of another is refused." enum:"1"`
	Command       string          `json:"command" doc:"What to do." enum:"backorder.stock"`
	TaskToken     string          `json:"taskToken" doc:"Of the run's task that waits for the answer; empty where nobody waits."`
	OrderID       string          `json:"orderId" doc:"The order that the stock is for." minLength:"1"`
	Revision      int64           `json:"revision" doc:"Which attempt of the order it is, from 1." minimum:"1"`
	Items         []InventoryItem `json:"items" doc:"What to reserve." minItems:"1" nullable:"false"`
	SagaID        string          `json:"sagaId" doc:"The run." minLength:"1"`
	CorrelationID string          `json:"correlationId" doc:"Of the request that placed the order; empty where there is none."`
}

// PartialCommand is the command that reserves what there is, where that is not all.
type PartialCommand struct {
	Version       int             `json:"version" doc:"Of the message; there is 1 alone, and a message of another is refused." enum:"1"`
	Command       string          `json:"command" doc:"What to do." enum:"partial.stock"`
	TaskToken     string          `json:"taskToken" doc:"Of the run's task that waits for the answer; empty where nobody waits."`
	OrderID       string          `json:"orderId" doc:"The order that the stock is for." minLength:"1"`
	Revision      int64           `json:"revision" doc:"Which attempt of the order it is, from 1." minimum:"1"`
	Items         []InventoryItem `json:"items" doc:"What to reserve." minItems:"1" nullable:"false"`
	SagaID        string          `json:"sagaId" doc:"The run." minLength:"1"`
	CorrelationID string          `json:"correlationId" doc:"Of the request that placed the order; empty where there is none."`
}

// PartialBackorderCommand is the command that reserves what there is, and has the order wait where
// that is nothing.
type PartialBackorderCommand struct {
	Version       int             `json:"version" doc:"Of the message; there is 1 alone, and a message of another is refused." enum:"1"`
	Command       string          `json:"command" doc:"What to do." enum:"partial-backorder.stock"`
	TaskToken     string          `json:"taskToken" doc:"Of the run's task that waits for the answer; empty where nobody waits."`
	OrderID       string          `json:"orderId" doc:"The order that the stock is for." minLength:"1"`
	Revision      int64           `json:"revision" doc:"Which attempt of the order it is, from 1." minimum:"1"`
	Items         []InventoryItem `json:"items" doc:"What to reserve." minItems:"1" nullable:"false"`
	SagaID        string          `json:"sagaId" doc:"The run." minLength:"1"`
	CorrelationID string          `json:"correlationId" doc:"Of the request that placed the order; empty where there is none."`
}

// InventoryItem is a quantity of one SKU.
type InventoryItem struct {
	SKU      string `json:"sku" doc:"What it is a quantity of." minLength:"1"`
	Quantity int64  `json:"quantity" doc:"Pieces." minimum:"1"`
}
